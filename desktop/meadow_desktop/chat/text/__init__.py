"""An answer's markdown, cut into what is drawn one by one. Pure."""
