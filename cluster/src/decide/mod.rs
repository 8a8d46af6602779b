//! Pure decisions: placement, standby, rosters, pipes.
