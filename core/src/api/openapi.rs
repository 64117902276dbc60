use utoipa::OpenApi;

use super::{clients, events, rest, servers};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Narthex",
        description = "What scripts, tests and other machines may count on. See docs/interface.md."
    ),
    paths(
        rest::health,
        rest::ready,
        rest::status,
        rest::pause,
        rest::resume,
        rest::metrics,
        servers::list,
        servers::one,
        servers::tools,
        servers::logs,
        servers::add,
        servers::patch,
        servers::remove,
        servers::connect,
        servers::disconnect,
        servers::restart,
        servers::quarantine,
        servers::approve,
        events::stream,
        clients::list,
        clients::add,
        clients::remove,
    )
)]
struct Document;

/// Returns the OpenAPI document, made from the wire types.
pub fn document() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .expect("the document encodes");
    text.push('\n');
    text
}
