"""The words of the fixture mailbox, written for it."""

from __future__ import annotations

PEOPLE: tuple[tuple[str, str], ...] = (
    ("Bob Brown", "bob@example.test"),
    ("Carol Núñez", "carol@example.test"),
    ("Dieter Köhler", "dieter.koehler@example.org"),
    ("Emma Okafor", "emma@example.net"),
    ("François Lefèvre", "francois@example.fr"),
    ("佐藤 花子", "hanako.sato@example.jp"),
    ("Иван Петров", "ivan.petrov@example.ru"),
    ("ليلى حداد", "layla@example.ae"),
    ("Build service", "builds@ci.example.test"),
    ("Weekly digest", "digest@news.example.net"),
    ("Fatima Zahra Bennani", "fatima@example.ma"),
    ("Grace O'Malley", "grace@example.ie"),
)

SUBJECTS: tuple[str, ...] = (
    "Minutes of Tuesday",
    "Quarterly figures",
    "Lunch on Thursday?",
    "Draft of the contract, second round",
    "Build 4711 failed",
    "Your invoice for October",
    "Travel plans for the conference",
    "Reminder: security training",
    "Keys for the new office",
    "Photos from the summer party",
    "Question about the interface specification",
    "Server maintenance on Saturday night",
    "New colleague starting Monday",
    "Feedback on the prototype",
    "Parking permit renewal",
    "Re: Purchase order 20-1184",
)

PARAGRAPHS: tuple[str, ...] = (
    "Thank you for the notes. I have marked the three places where the figures do not agree with the ledger.",
    "The room is booked from nine to eleven; the projector works, the whiteboard pens do not, so please bring some.",
    "We measured it again on the small machine and the difference is within two per cent, which nobody will notice.",
    "Could you send the signed pages by Friday? The registry closes at noon and does not accept scans of scans.",
    "The train leaves at 07:42 from platform five. If you miss it, the next one still arrives before the workshop.",
    "I would rather keep the old interface for one more release and announce its end in the change log.",
    "The coffee machine on the second floor has been repaired, cleaned, and is waiting for its first customer.",
    "Nobody objected during the review, but two people asked for a diagram of the way the messages travel.",
    "Backups ran for four hours last night because the index had been rebuilt; tonight should be back to normal.",
    "Please do not forward this outside the team before the announcement on the first of the month.",
    "The caterer needs the number of vegetarian meals by Wednesday; so far I count eleven, and one person unsure.",
    "When the battery falls below ten per cent the device stops synchronising, which explains the gap in the log.",
)

FOREIGN: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "Jürgen Groß",
        "juergen.gross@example.de",
        "Grüße aus Köln: Überweisung für März",
        "Sehr geehrte Frau Anderson,\n\ndie Überweisung über 1.250,00 € ist heute früh eingegangen.\n\nSchöne Grüße\n",
        "utf-8",
    ),
    (
        "佐藤 花子",
        "hanako.sato@example.jp",
        "会議の日程についてのご連絡",
        "お世話になっております。\n\n来週の会議は水曜日の午後二時に変更となりました。\nよろしくお願いいたします。\n",
        "iso-2022-jp",
    ),
    (
        "Иван Петров",
        "ivan.petrov@example.ru",
        "Отчёт за третий квартал",
        "Здравствуйте!\n\nОтчёт за третий квартал готов, цифры проверены дважды.\n\nС уважением,\nИван\n",
        "koi8-r",
    ),
    (
        "ليلى حداد",
        "layla@example.ae",
        "موعد الاجتماع القادم",
        "مرحبا،\n\nتم تأجيل الاجتماع إلى يوم الخميس في الساعة العاشرة صباحا.\n\nمع التحية\n",
        "windows-1256",
    ),
    (
        "Emma 🎉 Okafor",
        "emma@example.net",
        "🎂 Surprise for Grace 🤫 – bring cake 👩‍💻",
        "Shh! 🤫 The party starts at five in the kitchen. 🎈🎈🎈\n",
        "utf-8",
    ),
    (
        "Βασίλης Παππάς",
        "vasilis@example.gr",
        "Ερώτηση για το συμβόλαιο",
        "Καλημέρα σας,\n\nμήπως έχετε νέα για το συμβόλαιο;\n",
        "iso-8859-7",
    ),
    (
        "김민준",
        "minjun@example.kr",
        "견적서 요청드립니다",
        "안녕하세요,\n\n다음 주까지 견적서를 보내 주시면 감사하겠습니다.\n",
        "euc-kr",
    ),
)
"""Name, address, subject, text, charset of the body."""

THREADS: tuple[tuple[str, int, int], ...] = (
    ("Moving the office to the second floor", 18, 40),
    ("Interface freeze for release 3", 14, 20),
    ("Who has the label printer?", 9, 6),
    ("Übergabe am Freitag", 11, 2),
    ("Conference dinner", 8, 55),
)
"""Topic, number of messages, days since the first."""
