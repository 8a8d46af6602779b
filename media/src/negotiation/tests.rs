//! Against what mediasoup-client 3.24.1 in Chromium and mediasoup 3.27.1's own `ortc` said (ISC),
//! and against everything else.

mod captured;
mod properties;
mod rules;
