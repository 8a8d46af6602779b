//! Bugs that are planted to see that the invariants find them: each in the glue, and each found by
//! exactly the one it is meant for.

use serde::{Deserialize, Serialize};

use super::oracle::Invariant;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plant {
    /// A session that another node took over goes on, and the peers of its node hear no other.
    Ghost,
    /// Nodes forward packets to peers of other rooms, too.
    ThinWalls,
    /// One packet in twenty is given to the peers of a node three seconds late, unasked.
    Echo,
    /// A pull that broke is not opened again.
    Deaf,
    /// All layers are sent, wanted or not.
    Greedy,
    /// A link's table of flows never forgets one.
    Hoard,
    /// A room without peers never closes.
    Squatter,
    /// Every other roster lacks somebody, and what is missed is never asked for.
    Forgetful,
    /// What comes on a flow goes back on it, too.
    Boomerang,
    /// Nodes take all others to be in one region.
    Borderless,
    /// A node that passes a stream on asks for all its layers.
    Eager,
    /// A node passes on nothing that comes from another.
    Selfish,
    /// A node forgets who consumes a publisher of its own that leaves it; while all is well.
    Homebody,
}

impl Plant {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::Ghost,
        Self::ThinWalls,
        Self::Echo,
        Self::Deaf,
        Self::Greedy,
        Self::Hoard,
        Self::Squatter,
        Self::Forgetful,
        Self::Boomerang,
        Self::Borderless,
        Self::Eager,
        Self::Selfish,
        Self::Homebody,
    ];

    /// Which invariant is to find it.
    pub fn found_by(self) -> Invariant {
        match self {
            Self::Ghost => Invariant::OneIncarnation,
            Self::ThinWalls => Invariant::RoomWalls,
            Self::Echo => Invariant::NoGoingBack,
            Self::Deaf | Self::Selfish => Invariant::EveryoneHears,
            Self::Greedy | Self::Eager => Invariant::OnlyDemanded,
            Self::Hoard => Invariant::Bounds,
            Self::Squatter => Invariant::NothingLeft,
            Self::Forgetful => Invariant::ViewsAgree,
            Self::Boomerang => Invariant::ShortWays,
            Self::Borderless => Invariant::OneCrossing,
            Self::Homebody => Invariant::NobodyStands,
        }
    }

    /// Its name, as the command line takes it.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The plant of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.name() == name)
    }
}
