package wrong

// Version is given, and out of date in the solution.
const Version = 1
