//! The orders in which operations took effect, recorded along a search.

/// A recorded order: the operations up to some place in [`Orders`].
pub(super) type OrderRef = u32;

/// The empty order.
pub(super) const BEGINNING: OrderRef = 0;

/// Orders that share their beginnings. Nothing is recorded by default.
#[derive(Default)]
pub(super) struct Orders(Option<Vec<Part>>);

/// The last part of an order.
#[derive(Clone, Copy)]
enum Part {
    Nothing,
    One { before: OrderRef, operation: u32 },
    All { before: OrderRef, then: OrderRef },
}

impl Orders {
    /// Orders that are recorded.
    pub(super) fn recorded() -> Orders {
        Orders(Some(vec![Part::Nothing]))
    }

    /// The order `before`, followed by an operation.
    pub(super) fn add(&mut self, before: OrderRef, operation: u32) -> OrderRef {
        self.push(Part::One { before, operation })
    }

    /// The order `before`, followed by the order `then`.
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
        // If there are too many parts to be numbered, the rest is not recorded.
        let Ok(link) = OrderRef::try_from(parts.len()) else {
            return BEGINNING;
        };
        parts.push(part);
        link
    }

    /// The operations of a recorded order.
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
