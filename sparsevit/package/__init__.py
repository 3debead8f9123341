"""What comes with the installation: bundled files, extras, names of choices."""
