"""One small module per verb of the `pickwell` command."""
