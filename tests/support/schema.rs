//! The published schemas, as somebody else's program uses them.

use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::{SOON, hotspec};

/// A schema that can be held against what is written.
pub struct Schema(Schemas, SchemaIndex);

/// That of the report.
pub fn report() -> &'static Schema {
    static REPORT: OnceLock<Schema> = OnceLock::new();
    REPORT.get_or_init(|| Schema::printed("report"))
}

/// That of the lines of a run that goes on.
pub fn events() -> &'static Schema {
    static EVENTS: OnceLock<Schema> = OnceLock::new();
    EVENTS.get_or_init(|| Schema::printed("events"))
}

impl Schema {
    /// As the program prints it.
    fn printed(of: &str) -> Self {
        let output = hotspec(["schema", of]).timeout(SOON).output().expect("hotspec starts");
        let schema: Value = serde_json::from_slice(&output.stdout).expect("a schema is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).expect("a resource");
        let index = compiler.compile("schema.json", &mut schemas).expect("a schema");
        Self(schemas, index)
    }

    /// Asserts that a text is as it says; returns what is in it.
    ///
    /// # Panics
    /// It is not.
    pub fn holds(&self, text: &str) -> Value {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
        if let Err(fault) = self.0.validate(&value, self.1) {
            panic!("not as its schema says: {fault:#}\n{text}");
        }
        value
    }
}
