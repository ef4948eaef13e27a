//! Services as the handlers of an HTTP door call them: one call each, and no rule around it.

mod tenant_create;
