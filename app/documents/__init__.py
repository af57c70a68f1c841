"""Files: uploaded straight to storage, checked before anyone opens them, served by short-lived links."""
