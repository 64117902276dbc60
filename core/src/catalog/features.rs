/// What a server said in `initialize` that it can do, as far as Narthex passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// It has tools.
    pub tools: bool,
    /// It has prompts.
    pub prompts: bool,
    /// It has resources.
    pub resources: bool,
    /// It tells of updated resources.
    pub subscribe: bool,
    /// It completes arguments.
    pub completions: bool,
    /// It sends log messages.
    pub logging: bool,
}

impl Features {
    /// Everything: what is declared where nothing is known yet, and at the merged address, where
    /// servers come and go while a session lasts.
    pub const ALL: Self = Self::from_bits(0b11_1111);

    /// Returns them as bits, for `trust.db`.
    pub const fn bits(self) -> u8 {
        self.tools as u8
            | (self.prompts as u8) << 1
            | (self.resources as u8) << 2
            | (self.subscribe as u8) << 3
            | (self.completions as u8) << 4
            | (self.logging as u8) << 5
    }

    /// Returns what [`Self::bits`] made bits of.
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            tools: bits & 1 != 0,
            prompts: bits & 1 << 1 != 0,
            resources: bits & 1 << 2 != 0,
            subscribe: bits & 1 << 3 != 0,
            completions: bits & 1 << 4 != 0,
            logging: bits & 1 << 5 != 0,
        }
    }

    /// Returns the `capabilities` that say so to a client. Lists may change at any time: a person's
    /// review is enough.
    pub fn declared(self) -> String {
        let subscribe = if self.subscribe {
            r#""subscribe":true,"#
        } else {
            ""
        };
        let all = [
            (self.tools, r#""tools":{"listChanged":true}"#.to_owned()),
            (self.prompts, r#""prompts":{"listChanged":true}"#.to_owned()),
            (
                self.resources,
                format!(r#""resources":{{{subscribe}"listChanged":true}}"#),
            ),
            (self.completions, r#""completions":{}"#.to_owned()),
            (self.logging, r#""logging":{}"#.to_owned()),
        ];
        let said: Vec<String> = all
            .into_iter()
            .filter_map(|(has, said)| has.then_some(said))
            .collect();
        format!("{{{}}}", said.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        for bits in 0..64 {
            assert_eq!(Features::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn only_what_a_server_has_is_declared() {
        let features = Features {
            tools: true,
            resources: true,
            logging: true,
            ..Features::default()
        };
        assert_eq!(
            features.declared(),
            r#"{"tools":{"listChanged":true},"resources":{"listChanged":true},"logging":{}}"#
        );
        assert_eq!(Features::default().declared(), "{}");
        let all: serde_json::Value = serde_json::from_str(&Features::ALL.declared()).unwrap();
        assert_eq!(all["resources"]["subscribe"], true);
    }
}
