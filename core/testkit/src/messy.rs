//! JSON as real programs write it and parsers spoil it: numbers that no float holds, escapes, lone
//! surrogates, keys twice and in any order, space between tokens, deep nesting.

use fastrand::Rng;

/// Numbers by their spelling.
const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "1.0",
    "1e400",
    "-1E-400",
    "9007199254740993",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "1.50",
    "1E+2",
    "4294967296",
    "-17",
];

/// Strings by their spelling, quotes and all.
const STRINGS: [&str; 12] = [
    r#""""#,
    r#""plain""#,
    r#""\u0061\/\b\f\n\r\t\"\\""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udfff lone""#,
    "\"ünï ☃ 😀\"",
    r#""\u0000""#,
    r#""{\"id\":1}""#,
    r#""narthex""#,
    r#""</script>""#,
    r#""a\\""#,
];

/// Keys of members, some of which mean something elsewhere in a message.
const KEYS: [&str; 12] = [
    "a",
    "id",
    "method",
    "params",
    "result",
    "name",
    "uri",
    "type",
    "$ref",
    "_meta",
    "",
    "k\\u0065y",
];

/// Space that JSON allows between tokens, but for line ends, which stdio cannot carry.
const SPACES: [&str; 6] = ["", "", "", " ", "\t", "  "];

/// Returns a value nested at most `depth` deep.
pub fn value(rng: &mut Rng, depth: usize) -> String {
    let kinds = if depth == 0 { 4 } else { 6 };
    match rng.usize(0..kinds) {
        0 => rng.choice(NUMBERS).unwrap_or("0").to_owned(),
        1 | 2 => rng.choice(STRINGS).unwrap_or("\"\"").to_owned(),
        3 => rng
            .choice(["true", "false", "null"])
            .unwrap_or("null")
            .to_owned(),
        4 => object(rng, depth - 1),
        _ => {
            let count = rng.usize(0..4);
            let all: Vec<_> = (0..count).map(|_| value(rng, depth - 1)).collect();
            format!(
                "[{}{}{}]",
                space(rng),
                all.join(&format!("{},", space(rng))),
                space(rng)
            )
        }
    }
}

/// Returns an object whose members are nested at most `depth` deep.
pub fn object(rng: &mut Rng, depth: usize) -> String {
    let count = rng.usize(0..5);
    let members: Vec<_> = (0..count)
        .map(|_| {
            let key = rng.choice(KEYS).unwrap_or("a");
            let (before, after) = (space(rng), space(rng));
            format!(
                "{before}\"{key}\"{after}:{after}{}{before}",
                value(rng, depth)
            )
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Returns an array nested `levels` deep.
pub fn deep(levels: usize) -> String {
    format!("{}1.0{}", "[".repeat(levels), "]".repeat(levels))
}

fn space(rng: &mut Rng) -> &'static str {
    rng.choice(SPACES).unwrap_or("")
}
