"""The firm itself: entities, offices, calendars, number series, tax rates, bank, branding."""
