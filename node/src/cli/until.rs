//! How long a stream is told: until Ctrl-C, for a time, or so many things of it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::output::{self, Failure, Format, Line, rows::Rows};
use crate::config::value;

/// A moment that nobody waits for: a month.
const NEVER: Duration = Duration::from_secs(31 * 86_400);

/// How long.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
pub(super) struct Until {
    /// Ends after so long: 30s, 2m. Without it Ctrl-C does.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Ends after so many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

fn time(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| "write it as 30s, 2m or 500ms".to_owned())
}

impl Until {
    /// How many are enough.
    pub(super) fn most(self) -> usize {
        self.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
    }

    /// Prints what `next` gives, until it gives nothing or it is enough.
    ///
    /// # Errors
    /// Those of `next`.
    pub(super) async fn tell<T: Line>(
        self,
        format: Format,
        mut next: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<(), Failure> {
        let end = Instant::now() + self.time.unwrap_or(NEVER);
        let mut rows = Rows::new(format);
        for _ in 0..self.most() {
            let Ok(told) = timeout_at(end, next()).await else { return Ok(()) };
            let Some(item) = told? else { return Ok(()) };
            output::print(&rows.next(&item))?;
        }
        Ok(())
    }
}
