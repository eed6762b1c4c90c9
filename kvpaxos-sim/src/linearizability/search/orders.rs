//! The order in which operations took effect, as it is made up along a search.

/// A place in a [`Orders`]: what has taken effect up to there.
pub(super) type OrderRef = u32;

/// Nothing has.
pub(super) const BEGINNING: OrderRef = 0;

/// Orders that share their beginnings, if anybody wants them.
#[derive(Default)]
pub(super) struct Orders(Option<Vec<Part>>);

/// What comes last in an order.
#[derive(Clone, Copy)]
enum Part {
    Nothing,
    One { before: OrderRef, operation: u32 },
    All { before: OrderRef, then: OrderRef },
}

impl Orders {
    /// One that is told.
    pub(super) fn recorded() -> Orders {
        Orders(Some(vec![Part::Nothing]))
    }

    /// The operation comes next.
    pub(super) fn add(&mut self, before: OrderRef, operation: u32) -> OrderRef {
        self.push(Part::One { before, operation })
    }

    /// What the second says comes after what the first does.
    pub(super) fn join(&mut self, before: OrderRef, then: OrderRef) -> OrderRef {
        match (before, then) {
            (_, BEGINNING) => before,
            (BEGINNING, _) => then,
            _ => self.push(Part::All { before, then }),
        }
    }

    fn push(&mut self, part: Part) -> OrderRef {
        let Some(parts) = &mut self.0 else {
            return BEGINNING;
        };
        // One that has grown over all bounds is not told to its end.
        let Ok(link) = OrderRef::try_from(parts.len()) else {
            return BEGINNING;
        };
        parts.push(part);
        link
    }

    /// All operations up to there, in order.
    pub(super) fn order(&self, link: OrderRef) -> Vec<u32> {
        let parts = self.0.as_deref().unwrap_or(&[Part::Nothing]);
        let (mut order, mut left) = (Vec::new(), vec![link]);
        while let Some(link) = left.pop() {
            match parts[link as usize] {
                Part::Nothing => {}
                Part::One { before, operation } => {
                    order.push(operation);
                    left.push(before);
                }
                Part::All { before, then } => left.extend([before, then]),
            }
        }
        order.reverse();
        order
    }
}
