//! `narthex doctor`: what is usually wrong on a machine, and what to do about it.

mod checks;

use std::io::{self, Write};

use serde::Serialize;

use super::{
    Context, Exit, Failure, print_json,
    terminal::{Paint, Style},
    text,
};

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            ok: true,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn bad(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            ok: false,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// Runs the command.
pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let findings = checks::all(context).await?;
    if context.json {
        print_json(&findings)?;
    } else {
        print(&mut io::stdout().lock(), &findings, Paint::stdout())?;
    }
    let healthy = findings.iter().all(|finding| finding.ok);
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}

fn print(output: &mut impl Write, findings: &[Finding], paint: Paint) -> io::Result<()> {
    for finding in findings {
        let (mark, style) = if finding.ok {
            ("✓", Style::Good)
        } else {
            ("✗", Style::Bad)
        };
        paint.write(output, style, mark)?;
        writeln!(
            output,
            " {}: {}",
            finding.check,
            text::printable(&finding.detail)
        )?;
        if let Some(remedy) = &finding.remedy {
            writeln!(output, "  {}", text::printable(remedy))?;
        }
    }
    Ok(())
}
