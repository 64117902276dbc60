//! What servers offer: definitions as raw JSON, what a person's review made of them, and the names
//! they get at the merged address.

mod definition;
mod features;
mod kind;
mod large;
mod listing;
mod names;
mod reviewed;
mod section;
mod template;

pub use definition::{Catalog, Definition, DefinitionHash};
pub use features::Features;
pub use kind::DefinitionKind;
pub use large::Large;
pub use listing::{InvalidList, Listing};
pub use names::{URI_SCHEME, offered_name, uri_prefix};
pub use reviewed::{Reviewed, Tally};
pub use section::{Item, Section, list_result};
pub use template::Template;
