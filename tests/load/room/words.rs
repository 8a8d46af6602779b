//! Arguments as `--name value` pairs.

/// Those not asked for yet.
pub(crate) struct Words {
    pairs: Vec<(String, String)>,
}

impl Words {
    pub(crate) fn new(words: &[String]) -> Result<Self, String> {
        let pairs = words.chunks(2).map(|pair| match pair {
            [name, value] => Ok((name.clone(), value.clone())),
            _ => Err(format!("{}: a value is missing", pair[0])),
        });
        Ok(Self { pairs: pairs.collect::<Result<_, _>>()? })
    }

    pub(crate) fn text(&mut self, name: &str, otherwise: &str) -> String {
        let at = self.pairs.iter().position(|(found, _)| found == name);
        at.map_or_else(|| otherwise.to_owned(), |at| self.pairs.remove(at).1)
    }

    pub(crate) fn number(&mut self, name: &str, otherwise: usize) -> Result<usize, String> {
        let text = self.text(name, &otherwise.to_string());
        text.parse().map_err(|_| format!("{name}: {text} is no number"))
    }

    /// Whatever is left is not known.
    pub(crate) fn end(self) -> Result<(), String> {
        match self.pairs.first() {
            Some((name, value)) => Err(format!("{name} {value} is not known")),
            None => Ok(()),
        }
    }
}
