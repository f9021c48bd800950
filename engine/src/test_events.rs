//! What tests hear of `tracing`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

/// The fields of an event, with its message and its level.
pub(crate) type Event = BTreeMap<String, String>;

/// The events that `run` tells in this thread, of targets that contain `target`.
pub(crate) fn events_of(target: &'static str, run: impl FnOnce()) -> Vec<Event> {
    // While there is one subscriber, another thread that reaches an event first would switch it off for all of them.
    static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| tracing::Dispatch::new(Recorder::new("")));
    let recorder = Recorder::new(target);
    let events = Arc::clone(&recorder.events);
    tracing::subscriber::with_default(recorder, run);
    let events = events.lock().expect("no panic");
    events.clone()
}

struct Recorder {
    target: &'static str,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    fn new(target: &'static str) -> Self {
        Self {
            target,
            events: Arc::default(),
        }
    }
}

struct Fields(Event);

impl tracing::field::Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().contains(self.target)
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let level = event.metadata().level().to_string();
        let mut fields = Fields(BTreeMap::from([("level".to_owned(), level)]));
        event.record(&mut fields);
        self.events.lock().expect("no panic").push(fields.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
