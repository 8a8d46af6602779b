//! What stands on a terminal after all that was written to it, as far as `starling top` writes:
//! text, places (CUP), clearing (ED, EL), and no more (ECMA-48). Pure.

/// The screen's lines, without what is empty at their ends.
pub(crate) fn lines(written: &str, (cols, rows): (usize, usize)) -> Vec<String> {
    let mut cells = vec![vec![' '; cols]; rows];
    let (mut x, mut y) = (0, 0);
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => x = 0,
            '\n' => y += 1,
            '\u{1b}' => {
                // A sequence ends with a letter; `[` begins it.
                let sequence = sequence(&mut chars);
                let (numbers, end) = sequence.split_at(sequence.len().saturating_sub(1));
                let mut numbers = numbers.split(';').map(|it| it.parse::<usize>().unwrap_or(0));
                let mut number = || numbers.next().unwrap_or(0);
                match end {
                    "H" => (y, x) = (number().max(1) - 1, number().max(1) - 1),
                    "J" => cells.iter_mut().for_each(|row| row.fill(' ')),
                    "K" => {
                        if let Some(row) = cells.get_mut(y) {
                            row.iter_mut().skip(x).for_each(|cell| *cell = ' ');
                        }
                    }
                    _ => {}
                }
            }
            _ => {
                if let Some(cell) = cells.get_mut(y).and_then(|row| row.get_mut(x)) {
                    *cell = c;
                }
                x += 1;
            }
        }
    }
    cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

/// After the escape: `[`, numbers, and the letter that ends it.
fn sequence(chars: &mut impl Iterator<Item = char>) -> String {
    let mut taken = String::new();
    for c in chars.skip(1) {
        taken.push(c);
        if c.is_ascii_alphabetic() {
            break;
        }
    }
    taken
}

#[test]
fn text_stands_where_it_was_written_last() {
    let shown = |text: &str| lines(text, (8, 3)).join("|");
    assert_eq!(shown("abc\r\nd"), "abc|d|");
    assert_eq!(shown("\x1b[2;3Hxy\x1b[1mz\x1b[0m\x1b[2;4HY"), "|  xYz|");
    assert_eq!(shown("abc\x1b[2J\x1b[HX"), "X||");
    assert_eq!(shown("abcdef\x1b[1;3H\x1b[K"), "ab||");
    assert_eq!(shown("0123456789"), "01234567||");
}
