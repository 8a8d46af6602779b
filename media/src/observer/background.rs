//! The level of what is always there: a fan, a street. The quietest 20 ms since long, which rises
//! again when all of the last quarter of a minute was louder (Volfin and Cohen; Jitsi's
//! `DominantSpeakerIdentification`).

/// Frames after which the background is taken anew: 15 s of 20 ms.
const WINDOW: u16 = 750;

/// See the module. Levels count up from silence, 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    level: u8,
    /// Of the window that is going on.
    next: u8,
    frames: u16,
}

impl Background {
    /// A frame of this level. Silence says nothing: it is a muted microphone.
    pub fn on_level(&mut self, level: u8) {
        if level == 0 {
            return;
        }
        if self.level == 0 || level < self.level {
            *self = Self { level, next: 0, frames: 0 };
            return;
        }
        self.next = if self.next == 0 { level } else { self.next.min(level) };
        self.frames += 1;
        if self.frames == WINDOW {
            let mean = f64::from(u32::from(self.level) * u32::from(self.next)).sqrt();
            *self = Self { level: mean as u8, next: 0, frames: 0 };
        }
    }

    /// Now.
    pub const fn level(&self) -> u8 {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_falls_at_once_and_rises_after_a_quarter_of_a_minute() {
        let mut background = Background::default();
        for level in [60, 30, 90, 0] {
            background.on_level(level);
        }
        assert_eq!(background.level(), 30);
        (0..749).for_each(|_| background.on_level(100));
        // The geometric mean of 30 and the least since: 90.
        assert_eq!(background.level(), 51);
        (0..750).for_each(|_| background.on_level(100));
        assert_eq!(background.level(), 71);
    }
}
