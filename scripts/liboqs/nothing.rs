// Cargo asks for a source file; the C source comes with the dependency.
