"""Values that lie about in clear: in files, and in the history of git."""
