//! The lines of a text, found once.

/// Where each line begins, in bytes.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters stand before each [`STEP`]th byte: a line may be as long as the text.
    characters: Vec<usize>,
}

/// From one count of characters to the next, in bytes.
const STEP: usize = 4096;

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let begins = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        let mut characters = vec![0];
        for piece in text.as_bytes().chunks(STEP) {
            characters.push(characters.last().copied().unwrap_or(0) + begins(piece));
        }
        Self { text, starts: std::iter::once(0).chain(after).collect(), characters }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// The byte that a line, from 1, begins with.
    pub(super) fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// Where the line of a byte ends, without its line end.
    pub(super) fn end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.find(['\n', '\r']).unwrap_or(rest.len())
    }

    /// The line and the character of a byte, from 1.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        (line, self.before(at) - self.before(self.start(line)) + 1)
    }

    /// How many characters stand before a byte.
    fn before(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let rest = &self.text.as_bytes()[at / STEP * STEP..at];
        self.characters[at / STEP] + rest.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_and_a_character() {
        let lines = Lines::of("é\nab\r\n");
        assert_eq!((lines.place(0), lines.place(2), lines.place(4)), ((1, 1), (1, 2), (2, 2)));
        let long = "é".repeat(5000);
        assert_eq!(Lines::of(&long).place(9000), (1, 4501));
        assert_eq!((lines.start(2), lines.start(3), lines.start(9), lines.end(3)), (3, 7, 7, 5));
    }
}
