//! How full the gates and budgets are.

use std::fmt::{self, Write as _};

use super::{Admission, Lane};

/// Writes the measurements (OpenMetrics).
pub fn write(text: &mut String, admission: &Admission) -> fmt::Result {
    let counts = Lane::ALL.map(|(lane, name)| (name, admission.gate(lane).counts()));
    let name = "reestr_requests_under_way";
    writeln!(text, "# HELP {name} Requests being dealt with, by what they do.\n# TYPE {name} gauge")?;
    for (lane, (inside, _, _)) in counts {
        writeln!(text, "{name}{{lane=\"{lane}\"}} {inside}")?;
    }
    let name = "reestr_requests_waiting";
    writeln!(text, "# HELP {name} Requests that wait for their turn.\n# TYPE {name} gauge")?;
    for (lane, (_, waiting, _)) in counts {
        writeln!(text, "{name}{{lane=\"{lane}\"}} {waiting}")?;
    }
    let name = "reestr_requests_turned_away";
    writeln!(text, "# HELP {name} Requests for which there was no room.\n# TYPE {name} counter")?;
    for (lane, (_, _, refused)) in counts {
        writeln!(text, "{name}_total{{lane=\"{lane}\"}} {refused}")?;
    }
    for (name, help, held) in [
        ("reestr_bodies_bytes", "Bytes of bodies being dealt with", admission.arriving().held()),
        ("reestr_answers_bytes", "Bytes of answers that clients have not taken", admission.leaving().held()),
        ("reestr_connections", "Open connections", admission.connections().held()),
    ] {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge")?;
        if name.ends_with("_bytes") {
            writeln!(text, "# UNIT {name} bytes")?;
        }
        writeln!(text, "{name} {held}")?;
    }
    Ok(())
}
