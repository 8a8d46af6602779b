//! Record headers, whole and broken.

use proptest::prelude::*;

use super::*;

fn record(content_type: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 0xfe, 0xfd];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, 9]);
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn all_records_of_a_datagram_are_read() {
    let datagram = [record(22, 0, &[1, 2]), record(20, 0, &[1]), record(22, 1, &[7; 40])].concat();
    let read: Vec<_> = records(&datagram).map(|it| (it.content_type, it.epoch)).collect();
    assert_eq!(read, [(22, 0), (20, 0), (22, 1)]);
    assert_eq!(records(&datagram).last().unwrap().body, [7; 40]);
}

#[test]
fn reading_ends_at_a_record_cut_short_or_of_another_protocol() {
    let mut datagram = [record(22, 0, &[1, 2]), record(22, 0, &[3, 4])].concat();
    datagram.pop();
    assert_eq!(records(&datagram).count(), 1);
    assert_eq!(records(&[22; 12]).count(), 0);
    let mut tls = record(22, 0, &[1]);
    tls[1] = 3;
    assert_eq!(records(&tls).count(), 0);
}

#[test]
fn peeks_tell_the_first_record() {
    let handshake = record(22, 0, &[1]);
    let encrypted = record(22, 1, &[1]);
    let (alert, last_flight) = (record(21, 0, &[2, 40]), record(20, 0, &[1]));
    assert!(is_epoch0_handshake(&handshake) && !is_epoch0_handshake(&encrypted));
    assert!(is_alert(&alert) && !is_alert(&handshake));
    assert!(starts_ccs(&last_flight) && !starts_ccs(&handshake));
    assert!(!is_epoch0_handshake(&handshake[..12]) && !is_alert(&[]) && !starts_ccs(&[20]));
}

#[test]
fn a_clear_record_is_found_wherever_it_hides() {
    let encrypted = record(23, 1, &[5; 30]);
    let hidden = [encrypted.clone(), record(21, 0, &[2, 40])].concat();
    let rubbish = [encrypted.clone(), vec![21, 0xfe, 0xfd, 0, 0]].concat();
    assert!(!has_epoch0_record(&encrypted));
    assert!(has_epoch0_record(&hidden));
    assert!(has_epoch0_record(&rubbish), "a lenient parser might read it as one");
    assert!(has_epoch0_record(&record(21, 0, &[1, 0])));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        records(&bytes).for_each(drop);
        has_epoch0_record(&bytes);
        is_epoch0_handshake(&bytes);
    }
}
