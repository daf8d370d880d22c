//! The one way in which the crate's aggregates meet cqrs-es: `decide` decides, `step` applies.

/// Implements `cqrs_es::Aggregate` for a type that has `decide(&Proposed)` and `step(&RecordEvent)`.
macro_rules! aggregate {
    ($aggregate:ty, $name:literal) => {
        impl cqrs_es::Aggregate for $aggregate {
            const TYPE: &'static str = $name;
            type Command = $crate::record::RecordCommand;
            type Event = $crate::record::RecordEvent;
            type Error = $crate::record::RecordError;
            type Services = ();

            async fn handle(
                &mut self,
                command: Self::Command,
                (): &(),
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                let $crate::record::RecordCommand::Append(proposed) = command;
                let event = self.decide(&proposed)?;
                sink.write(event, self).await;
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.step(&event);
            }
        }
    };
}

pub(crate) use aggregate;
