//! Writes a list, row by row: nothing is kept but for a table on a terminal, whose columns are as
//! wide as their widest cell.

use std::borrow::Cow;
use std::marker::PhantomData;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::escape;
use super::row::{Column, Holds, Row};
use super::screen::{Format, OutputError, Screen};

impl Screen {
    /// Writes a list.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn list<R: Row>(&self, rows: impl IntoIterator<Item = R>) -> Result<(), OutputError> {
        let mut list = self.list_writer();
        for row in rows {
            list.row(&row)?;
        }
        list.finish()
    }

    /// Begins a list whose rows come one by one.
    #[must_use]
    pub fn list_writer<R: Row>(&self) -> ListWriter<'_, R> {
        let table = (self.format() == Format::Table && self.data_on_terminal()).then(|| new_table::<R>(self));
        ListWriter { screen: self, table, pager: false, rows: 0, buffer: Vec::new(), of: PhantomData }
    }

    /// Begins a list that has pages: on a terminal one that is longer than the screen goes through a
    /// pager.
    #[must_use]
    pub fn page_writer<R: Row>(&self) -> ListWriter<'_, R> {
        ListWriter { pager: true, ..self.list_writer() }
    }
}

/// A list that is being written. Must be finished: JSON's closing bracket comes last.
#[derive(Debug)]
pub struct ListWriter<'a, R> {
    screen: &'a Screen,
    table: Option<Table>,
    pager: bool,
    rows: u64,
    buffer: Vec<u8>,
    of: PhantomData<fn(R)>,
}

impl<R: Row> ListWriter<'_, R> {
    /// Writes a row.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn row(&mut self, row: &R) -> Result<(), OutputError> {
        self.buffer.clear();
        match self.screen.format() {
            Format::Table => match &mut self.table {
                Some(table) => {
                    let cells = row.cells();
                    table.add_row(R::COLUMNS.iter().zip(&cells).map(|(column, text)| shown(*column, text)));
                }
                None => tab_separated(&mut self.buffer, R::COLUMNS, &row.cells()),
            },
            Format::Json => {
                self.buffer.extend_from_slice(if self.rows == 0 { b"[\n" } else { b",\n" });
                let text = serde_json::to_string(row).map_err(|e| shape("json", &e))?;
                self.buffer.extend_from_slice(escape::json(&text).as_bytes());
            }
            Format::Yaml if R::EXACT_JSON => {
                self.buffer.extend_from_slice(b"- ");
                flow(&mut self.buffer, row)?;
            }
            Format::Yaml => yaml_item(&mut self.buffer, row)?,
            Format::Csv => {
                if self.rows == 0 {
                    csv_header::<R>(&mut self.buffer)?;
                }
                csv_row(&mut self.buffer, R::COLUMNS, &row.cells(), self.screen.data_on_terminal())?;
            }
            Format::Id => {
                self.buffer.extend_from_slice(escape::cell(&row.id()).as_bytes());
                self.buffer.push(b'\n');
            }
        }
        self.rows += 1;
        self.screen.raw(&self.buffer)
    }

    /// Ends the list.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.buffer.clear();
        match (self.screen.format(), self.rows) {
            (Format::Table, 0) | (Format::Id, _) => {}
            (Format::Table, _) => {
                for line in self.table.iter().flat_map(Table::lines) {
                    self.buffer.extend_from_slice(line.trim_end().as_bytes());
                    self.buffer.push(b'\n');
                }
                if self.pager && self.table.is_some() {
                    return self.screen.table(&self.buffer);
                }
            }
            (Format::Json | Format::Yaml, 0) => self.buffer.extend_from_slice(b"[]\n"),
            (Format::Json, _) => self.buffer.extend_from_slice(b"\n]\n"),
            (Format::Csv, 0) => csv_header::<R>(&mut self.buffer)?,
            (Format::Yaml | Format::Csv, _) => {}
        }
        self.screen.raw(&self.buffer)
    }
}

fn new_table<R: Row>(screen: &Screen) -> Table {
    let mut table = plain_table(screen);
    table.set_header(R::COLUMNS.iter().map(|column| column.name.replace('_', " ").to_uppercase()));
    space(&mut table);
    for (index, column) in R::COLUMNS.iter().enumerate() {
        if let Some(shown) = table.column_mut(index).filter(|_| column.right) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A table without a frame, whose long cells are wrapped at the terminal's width.
pub(super) fn plain_table(screen: &Screen) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    if let Some(width) = screen.width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// Sets a table's columns two spaces apart, and nothing before the first.
pub(super) fn space(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
}

pub(super) fn heading(screen: &Screen, text: &str) -> Cell {
    let cell = Cell::new(text);
    if screen.colour_on_stdout() { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
}

/// A text as a line of a table has it.
fn shown(column: Column, text: &str) -> Cow<'_, str> {
    match column.holds {
        Holds::Json => escape::json(text),
        Holds::Values | Holds::Sentences => escape::cell(text),
    }
}

pub(super) fn tab_separated(buffer: &mut Vec<u8>, columns: &[Column], cells: &[String]) {
    for (index, (column, text)) in columns.iter().zip(cells).enumerate() {
        if index > 0 {
            buffer.push(b'\t');
        }
        buffer.extend_from_slice(shown(*column, text).as_bytes());
    }
    buffer.push(b'\n');
}

/// YAML, in blocks; as one object of JSON where a text of it could steer a terminal, because the
/// blocks' plain texts have no escapes.
pub(super) fn yaml(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), OutputError> {
    let text = serde_norway::to_string(value).map_err(|e| shape("yaml", &e))?;
    if escape::is_harmful(&text) {
        return flow(buffer, value);
    }
    buffer.extend_from_slice(text.as_bytes());
    Ok(())
}

/// An item of a list in YAML.
fn yaml_item(buffer: &mut Vec<u8>, row: &impl Serialize) -> Result<(), OutputError> {
    let text = serde_norway::to_string(&[row]).map_err(|e| shape("yaml", &e))?;
    if escape::is_harmful(&text) {
        buffer.extend_from_slice(b"- ");
        return flow(buffer, row);
    }
    buffer.extend_from_slice(text.as_bytes());
    Ok(())
}

/// YAML that is JSON, on one line.
fn flow(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), OutputError> {
    let text = serde_json::to_string(value).map_err(|e| shape("yaml", &e))?;
    buffer.extend_from_slice(escape::json_as_yaml(&text).as_bytes());
    buffer.push(b'\n');
    Ok(())
}

/// One line of CSV (RFC 4180). Values are exact, except on a terminal, which must not obey them.
fn csv_row(
    buffer: &mut Vec<u8>,
    columns: &[Column],
    cells: &[String],
    terminal: bool,
) -> Result<(), OutputError> {
    let cells = columns.iter().zip(cells).map(|(column, text)| match column.holds {
        Holds::Values if !terminal => Cow::Borrowed(text.as_str()),
        Holds::Sentences if !terminal => escape::sentence(text),
        _ => shown(*column, text),
    });
    csv_record(buffer, cells)
}

/// One line of CSV whose cells are all values.
pub(super) fn csv_line(buffer: &mut Vec<u8>, cells: &[String], terminal: bool) -> Result<(), OutputError> {
    csv_record(buffer, cells.iter().map(|text| if terminal { escape::cell(text) } else { text.into() }))
}

fn csv_record<'a>(
    buffer: &mut Vec<u8>,
    cells: impl Iterator<Item = Cow<'a, str>>,
) -> Result<(), OutputError> {
    let mut writer = csv::Writer::from_writer(buffer);
    writer.write_record(cells.map(Cow::into_owned)).map_err(|e| shape("csv", &e))?;
    writer.flush().map_err(OutputError::Write)
}

fn csv_header<R: Row>(buffer: &mut Vec<u8>) -> Result<(), OutputError> {
    let names: Vec<_> = R::COLUMNS.iter().map(|column| column.name.to_owned()).collect();
    csv_line(buffer, &names, false)
}

pub(super) fn shape(format: &'static str, error: &dyn std::error::Error) -> OutputError {
    OutputError::Shape { format, reason: error.to_string() }
}
