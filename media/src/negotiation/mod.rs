//! Capability negotiation (mediasoup ortc).
