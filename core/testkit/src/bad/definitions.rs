//! What bad servers offer, as raw JSON: much of it no parser of values takes.

use std::sync::OnceLock;

use super::Bad;

/// How many tools a server with too many has, beside `echo` and `well`.
pub const MANY: usize = 10_000;

/// How long a long name is, in characters.
pub const LONG_NAME_CHARS: usize = 500;

/// How deep a deep schema is nested.
pub const SCHEMA_LEVELS: usize = 500;

/// How many tools have such a schema.
const DEEP_TOOLS: usize = 20;

/// A name with control characters.
pub const CONTROL_NAME: &str = "ring\u{7}and\u{1b}[31mred\u{0}";

/// Two names of tools that one server of the name `bad` cannot have: what is offered of them is the
/// same, hash and all. Whoever looks for such a pair finds one in a second.
pub const COLLIDING: [&str; 2] = ["!>]*}", "!]) )"];

/// How many tools the odd names come to that can be offered: `echo`, `well`, the long one, the empty
/// one, the one with control characters.
pub const ODD: usize = 5;

/// Returns the result of `tools/list`, asked for the `asked`th time.
pub(super) fn list(bad: Bad, asked: usize) -> String {
    let mut tools = vec![tool("\"echo\""), tool("\"well\"")];
    match bad {
        Bad::TenThousandTools => {
            tools.push(tool("\"tool_0\""));
            tools.push(many().to_owned());
        }
        Bad::ListChangedFlood => {
            tools.push(described("\"tool_0\"", &format!("Changed {asked} times.")));
            tools.push(many().to_owned());
        }
        Bad::OddNames => {
            let control = serde_json::to_string(CONTROL_NAME).expect("a text encodes");
            tools.push(tool(&format!("\"{}\"", "n".repeat(LONG_NAME_CHARS))));
            tools.push(tool("\"\""));
            tools.push(tool(&control));
            tools.push(tool(r#""\ud800""#));
            tools.push(tool("7"));
            tools.push(described("\"echo\"", "Comes twice."));
            tools.push(r#"{"title":"No name","inputSchema":{"type":"object"}}"#.to_owned());
            tools.push("null".to_owned());
        }
        Bad::CollidingNames => {
            for name in ["a b", "a_b", "a.b", COLLIDING[0], COLLIDING[1]] {
                tools.push(tool(&format!("\"{name}\"")));
            }
        }
        Bad::DeepSchemas => {
            tools.extend((0..DEEP_TOOLS).map(|number| {
                let schema = if number % 2 == 0 {
                    nested(r#"{"type":"object","properties":{"a":"#, "}}")
                } else {
                    nested(r#"{"enum":["#, "]}")
                };
                format!(r#"{{"name":"deep_{number}","inputSchema":{schema}}}"#)
            }));
        }
        _ => {}
    }
    format!(r#"{{"tools":[{}]}}"#, tools.join(","))
}

/// Returns the tools from the second of the many on, made once: what it costs a server to write them is
/// its own doing.
fn many() -> &'static str {
    static TOOLS: OnceLock<String> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let tools: Vec<_> = (1..MANY)
            .map(|number| tool(&format!("\"tool_{number}\"")))
            .collect();
        tools.join(",")
    })
}

fn nested(open: &str, close: &str) -> String {
    format!(
        "{}{{}}{}",
        open.repeat(SCHEMA_LEVELS),
        close.repeat(SCHEMA_LEVELS)
    )
}

fn tool(name: &str) -> String {
    described(name, "Returns the text it is given, to the letter.")
}

/// Returns the definition of a tool whose name is spelled `name`.
fn described(name: &str, description: &str) -> String {
    format!(
        r#"{{"name":{name},"description":"{description}","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"What is returned."}}}},"required":["text"]}}}}"#
    )
}
