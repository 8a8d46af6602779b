//! Streams that a client closes (RFC 6525), each of which the association answers with a reset of
//! its own: how many of those wait for the client's answer. It keeps every one, and sends one at a
//! time. Never does: reset.

use super::packet::{RE_CONFIG, chunks, number, parameters};

const OUTGOING_RESET_REQUEST: u16 = 13;
const RESPONSE: u16 = 16;
/// Of a response: it is not over.
const IN_PROGRESS: u32 = 6;
/// Requests of a client for which it owes us an answer. One that means well asks for all its
/// streams at once, or for one after another; each costs us up to 5 KB, if it names hundreds.
const MAX_OWED: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Number of the client's last request.
    asked: Option<u32>,
    /// Number of our request under way, unless it was answered.
    ours: Option<u32>,
    answered: Option<u32>,
    owed: usize,
}

impl Resets {
    /// Looks at a packet of the client. False: it asks and asks, and answers nothing.
    pub(super) fn came(&mut self, packet: &[u8]) -> bool {
        for (kind, parameter) in requests(packet) {
            match kind {
                OUTGOING_RESET_REQUEST => {
                    // A request answers ours, too (RFC 6525 §4.1).
                    self.answer(number(parameter, 8));
                    let Some(asked) = number(parameter, 4) else { continue };
                    let newer = |last: u32| asked.wrapping_sub(last).wrapping_sub(1) < 1 << 31;
                    if self.asked.is_none_or(newer) {
                        self.asked = Some(asked);
                        self.owed += 1;
                    }
                }
                RESPONSE if number(parameter, 8) != Some(IN_PROGRESS) => {
                    self.answer(number(parameter, 4));
                }
                _ => {}
            }
        }
        self.owed <= MAX_OWED
    }

    /// Looks at a packet of ours.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        for (_, request) in requests(packet).filter(|(kind, _)| *kind == OUTGOING_RESET_REQUEST) {
            self.ours = number(request, 4).filter(|ours| self.answered != Some(*ours));
        }
    }

    /// Only ours counts, and once: numbers are easily made up.
    fn answer(&mut self, number: Option<u32>) {
        if number.is_some() && number == self.ours {
            self.answered = self.ours.take();
            self.owed = self.owed.saturating_sub(1);
        }
    }
}

fn requests(packet: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let changes = chunks(packet).filter(|(kind, _)| *kind == RE_CONFIG);
    changes.flat_map(|(_, chunk)| parameters(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(parameter: &[u32]) -> Vec<u8> {
        let body: Vec<_> = parameter.iter().flat_map(|number| number.to_be_bytes()).collect();
        let len = 4 + body.len() as u16;
        let [high, low] = len.to_be_bytes();
        [&[0; 12][..], &[RE_CONFIG, 0, high, low], &body].concat()
    }

    fn request(number: u32, answers: u32) -> Vec<u8> {
        packet(&[13 << 16 | 16, number, answers, 0])
    }

    fn response(number: u32, result: u32) -> Vec<u8> {
        packet(&[16 << 16 | 12, number, result])
    }

    #[test]
    fn who_answers_may_close_streams_for_ever() {
        let mut resets = Resets::default();
        for n in 0..10_000u32 {
            let asked = n.wrapping_sub(5);
            assert!(resets.came(&request(asked, 0)), "{n}");
            assert!(resets.came(&request(asked, 0)), "again");
            resets.sent(&request(n, 0));
            assert!(resets.came(&response(n, IN_PROGRESS)));
            assert!(resets.came(&response(n, 1)));
        }
        assert_eq!(resets.owed, 0);
    }

    #[test]
    fn who_answers_with_its_next_request_answers() {
        let mut resets = Resets::default();
        for n in 0..10_000u32 {
            assert!(resets.came(&request(n, n.wrapping_sub(1))), "{n}");
            resets.sent(&request(n, 0));
        }
    }

    #[test]
    fn made_up_answers_and_repeated_ones_count_for_nothing() {
        let mut resets = Resets::default();
        resets.sent(&request(7, 0));
        let end = (0u32..1_000).find(|n| {
            resets.sent(&request(7, 0));
            let answers = [response(7, 1), response(*n + 100, 1)];
            let fine = resets.came(&request(*n, *n + 200));
            !fine || !answers.iter().all(|answer| resets.came(answer))
        });
        assert_eq!(end, Some(MAX_OWED as u32 + 1), "one of them was an answer");
    }
}
