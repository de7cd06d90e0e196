"""From what was collected to what Veza gets: mapping, payload, upload."""
