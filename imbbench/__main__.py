from imbbench.cli import main

raise SystemExit(main())
