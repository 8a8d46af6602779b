//! Frames of ICE over TCP, however the stream is cut.

use starling_media::ice::framing::{Deframer, MAX_FRAME, TooLong, frame};

use super::{Kind, Target, behaviour, size};

pub(super) const KIND: Kind = Kind {
    name: "framing",
    about: "Deframer::feed over a stream in pieces, beside the same stream in one",
    cost: 10,
    max_len: 12_000,
    words: &[&[0, 0], &[0, 1], &[0, 20], &[0x10, 0x00], &[0x10, 0x01], &[0xff, 0xff]],
    seeds,
    make: || Box::new(Framing),
};

struct Framing;

impl Target for Framing {
    fn run(&mut self, input: &[u8]) -> u64 {
        let Some((&cut, stream)) = input.split_first() else { return 0 };
        let step = usize::from(cut % 64) + 1;
        let (whole, end) = datagrams(stream.chunks(stream.len().max(1)));
        let (pieces, end_of_pieces) = datagrams(stream.chunks(step));
        assert_eq!((&whole, end), (&pieces, end_of_pieces), "in pieces of {step}");
        let total: usize = whole.iter().map(|datagram| datagram.len() + 2).sum();
        assert!(total <= stream.len() && whole.iter().all(|datagram| datagram.len() <= MAX_FRAME));
        let mut again = Vec::new();
        assert!(whole.iter().all(|datagram| frame(&mut again, datagram)));
        assert_eq!(datagrams(again.chunks(step)).0, whole);
        behaviour((size(whole.len()), size(total), end.is_ok()))
    }
}

fn datagrams<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let (mut deframer, mut seen) = (Deframer::default(), Vec::new());
    for piece in pieces {
        let fed = deframer.feed(&mut piece.to_vec(), &mut |datagram| seen.push(datagram.to_vec()));
        if fed.is_err() {
            return (seen, fed);
        }
        assert!(deframer.waiting() < 2 + MAX_FRAME);
    }
    (seen, Ok(()))
}

fn seeds() -> Vec<Vec<u8>> {
    let mut stream = vec![7];
    for datagram in [&[0u8; 100][..], b"", &[1; 1_200], &[2; 20]] {
        frame(&mut stream, datagram);
    }
    vec![stream, vec![0, 0, 3, 1, 2, 3], vec![63, 0xff, 0xff, 0]]
}
