"""Use: picture in, program out, over HTTP and on the command line."""
