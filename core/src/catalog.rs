//! What servers offer: definitions as raw JSON, what a person's review made of them, and the names
//! they get at the merged address.

mod definition;
mod names;
mod reviewed;

pub use definition::{Catalog, Definition, DefinitionHash, InvalidCatalog};
pub use names::offered_name;
pub use reviewed::{Reviewed, ReviewedTool, list_result};
