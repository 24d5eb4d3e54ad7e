"""The compiled step as machine code, through LLVM."""
