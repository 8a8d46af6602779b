use super::*;

#[test]
fn nothing_expected_is_perfect_and_nothing_received_is_dead() {
    assert_eq!(ScoreInterval::receiving(0, 0, 0, 0).score(), 10);
    assert_eq!(ScoreInterval::receiving(100, 0, 0, 0).score(), 0);
    assert_eq!(ScoreInterval::sending(0, 5, 0, 0).score(), 10);
}

#[test]
fn loss_counts_to_the_fourth_power() {
    assert_eq!(ScoreInterval::receiving(100, 100, 0, 0).score(), 10);
    // Ten lost of ninety received: (80/90)^4 = 0.62.
    assert_eq!(ScoreInterval::receiving(100, 90, 0, 0).score(), 6);
    assert_eq!(ScoreInterval::sending(100, 10, 0, 0).score(), 7);
    assert_eq!(ScoreInterval::receiving(100, 40, 0, 0).score(), 0);
}

#[test]
fn repaired_loss_counts_less() {
    // 10 of 90 repaired, all retransmissions useful: weight (1 / (1/9 + 1))^4 = 0.656.
    assert_eq!(ScoreInterval::receiving(100, 90, 10, 10).score(), 9);
    // Half of the retransmissions useless: half the weight.
    assert_eq!(ScoreInterval::receiving(100, 90, 10, 20).score(), 7);
}

#[test]
fn impossible_counts_stay_within_the_scale() {
    for interval in [
        ScoreInterval::receiving(10, 100, 0, 0),
        ScoreInterval::receiving(100, 50, 500, 1),
        ScoreInterval::sending(10, 1000, 1000, 1),
        ScoreInterval::sending(u64::MAX, u64::MAX, u64::MAX, u64::MAX),
    ] {
        assert!(interval.score() <= 10);
    }
}

#[test]
fn newer_scores_weigh_more() {
    let mut window = ScoreWindow::default();
    assert_eq!(window.score(), 10);
    // mediasoup's example: 1, 2, 3, 4 weigh 1, 2, 3, 4 and make 3.
    assert_eq!(window.push(1), Some(1));
    assert_eq!(window.push(2), Some(2));
    assert_eq!(window.push(3), None);
    assert_eq!(window.push(4), Some(3));
}

#[test]
fn only_the_last_24_scores_count() {
    let mut window = ScoreWindow::default();
    for _ in 0..100 {
        window.push(0);
    }
    for _ in 0..24 {
        window.push(10);
    }
    assert_eq!(window.score(), 10);
}

#[test]
fn reset_forgets_the_past() {
    let mut window = ScoreWindow::default();
    window.push(10);
    assert_eq!(window.reset(0), Some(0));
    assert_eq!(window.reset(0), None);
    assert_eq!(window.push(8), Some(8));
}
