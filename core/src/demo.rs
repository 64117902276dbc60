//! `narthex demo`: an MCP server inside the binary, to try Narthex on.
