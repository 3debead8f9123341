"""What all tabs share: layout, wiring, session, looks."""
