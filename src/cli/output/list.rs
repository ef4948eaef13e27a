//! Writes a list, row by row: nothing is kept but for a table on a terminal, whose columns are as
//! wide as their widest cell.

use std::borrow::Cow;
use std::marker::PhantomData;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::escape;
use super::row::Row;
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
                    table.add_row(cells.iter().map(|text| escape::cell(text)));
                }
                None => tab_separated(&mut self.buffer, &row.cells()),
            },
            Format::Json => {
                self.buffer.extend_from_slice(if self.rows == 0 { b"[\n" } else { b",\n" });
                serde_json::to_writer(&mut self.buffer, row).map_err(|e| shape("json", &e))?;
            }
            Format::Yaml => yaml(&mut self.buffer, &[row])?,
            Format::Csv => {
                if self.rows == 0 {
                    csv_header::<R>(&mut self.buffer)?;
                }
                csv_line(&mut self.buffer, &row.cells(), self.screen.data_on_terminal())?;
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

pub(super) fn tab_separated(buffer: &mut Vec<u8>, cells: &[String]) {
    for (index, text) in cells.iter().enumerate() {
        if index > 0 {
            buffer.push(b'\t');
        }
        buffer.extend_from_slice(escape::cell(text).as_bytes());
    }
    buffer.push(b'\n');
}

pub(super) fn yaml(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), OutputError> {
    serde_norway::to_writer(buffer, value).map_err(|e| shape("yaml", &e))
}

/// One line of CSV (RFC 4180). Cells are exact, except on a terminal, which must not obey them.
pub(super) fn csv_line(buffer: &mut Vec<u8>, cells: &[String], terminal: bool) -> Result<(), OutputError> {
    let mut writer = csv::Writer::from_writer(buffer);
    let shown = cells.iter().map(|text| if terminal { escape::cell(text) } else { text.into() });
    writer.write_record(shown.map(Cow::into_owned)).map_err(|e| shape("csv", &e))?;
    writer.flush().map_err(OutputError::Write)
}

fn csv_header<R: Row>(buffer: &mut Vec<u8>) -> Result<(), OutputError> {
    let names: Vec<_> = R::COLUMNS.iter().map(|column| column.name.to_owned()).collect();
    csv_line(buffer, &names, false)
}

pub(super) fn shape(format: &'static str, error: &dyn std::error::Error) -> OutputError {
    OutputError::Shape { format, reason: error.to_string() }
}
