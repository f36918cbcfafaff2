"""What the fake engine pretends, by subject. `meadow_desktop.fake_engine` serves it."""
