"""The toy TLS daemon as a program: `python3 -m chainwright.testing.toyd CONFIGURATION PID_FILE CONTROL`."""

from agent.testing.toyd import main

if __name__ == "__main__":
    main()
