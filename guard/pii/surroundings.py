# ruff: noqa: E501
"""Words that stand around names, by what they say about their neighbour: data for the features of the tagger."""

from __future__ import annotations

_LISTS = {
    "title": "mr mrs ms miss mister dr prof professor sir dame lord lady madam señor señora herr frau monsieur madame signor signora rev reverend fr sister brother capt captain sgt sergeant col colonel gen general lt lieutenant maj major cpl corporal judge justice sen senator rep hon president chancellor pope king queen prince princess sheikh imam rabbi",
    "kin": "mother father mum mom dad son daughter sister brother aunt auntie uncle cousin niece nephew wife husband grandmother grandfather grandma grandpa granny nana fiancé fiancée fiance fiancee girlfriend boyfriend partner spouse twin sibling child kid baby friend mate neighbour neighbor roommate flatmate housemate widow",
    "role": "accountant actor actress administrator admin adviser advisor agent analyst applicant architect artist assistant associate astronaut athlete attorney author baker banker biologist boss broker builder buyer caller candidate captain carer cashier ceo cfo chair chairman chairwoman chairperson chef chemist chief classmate cleaner clerk client climber coach colleague columnist comedian commander commissioner composer conductor consultant contractor contributor cook coordinator correspondent coworker counsel counselor creator critic curator customer cyclist dancer dean defender dentist deputy designer detective developer director doctor donor driver economist editor electrician employee employer engineer entrepreneur executive farmer filmmaker firefighter fisherman forward foreman founder gardener goalkeeper governor graduate guitarist handler historian host hostess inspector instructor intern interviewer inventor investigator investor janitor journalist judge landlady landlord lawyer leader lecturer librarian maintainer manager marshal mathematician mayor mechanic member midfielder minister musician nanny novelist nurse officer operator owner painter paramedic passenger pastor patient pharmacist philosopher photographer physician physicist pianist pilot plaintiff player plumber poet policeman politician porter postman premier presenter president priest principal producer professor programmer prosecutor psychiatrist psychologist publisher pupil receptionist recipient referee reporter representative requester researcher reviewer runner sailor scholar scientist sculptor secretary sender senator sergeant server singer skipper sociologist soldier solicitor sophomore spokesman spokesperson spokeswoman striker student supervisor suspect surgeon swimmer tailor teacher teammate technician tenant therapist trainer translator treasurer trustee tutor uploader user veteran vet victim visitor volunteer waiter waitress winger winner witness worker writer",
    "say": "said says say added adds told tells asked asks replied replies wrote writes explained explains noted notes argued argues claimed claims announced announces warned warns insisted insists admitted admits believes thinks thought reported reports recalled recalls stated states confirmed confirms commented comments suggested suggests responded agrees agreed disagreed promised denied joked laughed smiled shouted whispered nodded sighed mentioned complained testified tweeted posted",
    "do": "is was has had will would can could should must may might does did went goes came comes got gets took takes left leaves lives lived works worked plays played joined joins met meets wants wanted needs needed likes liked loves loved hates called calls sent sends gave gives made makes found finds bought buys sold sells won wins lost loses scored scores moved moves died dies married returned returns arrived arrives started starts stopped opened opens runs ran sits sat walked walks looks looked seems seemed became becomes grew born shared shares submitted approved assigned signed owes keeps kept turned finished starred directed founded reopened merged fixed pushed reviewed requested confirmed scheduled lived",
    "tell": "tell ask call email phone text message contact ping cc meet met remind thank notify inform invite join visit loves love miss missed saw seen see know knew knows hired fired married named nicknamed introduce congratulate forward interview interviewed arrested assigned appointed elected greet meeting called calling asked asking told telling thanks thanking welcoming welcome joining missing helping introducing copy loop nominate",
    "by": "by from to with for of and or as between against about via like than after before behind without",
    "label": "name names surname firstname lastname fullname nickname applicant attn attention contact customer client patient passenger guest holder author reviewer assignee reporter owner sender recipient from to cc bcc signed signature speaker attendee attendees participant participants employee manager tenant beneficiary payee payer buyer seller consignee witness organizer organiser host player student teacher driver insured claimant member subscriber requester approver approved submitted prepared created written edited cardholder account username",
    "hello": "hello hi hey dear hiya greetings morning afternoon evening welcome hallo bonjour hola ciao yo",
    "bye": "regards sincerely cheers best thanks yours truly respectfully wishes love faithfully cordially xoxo warmly",
    "place": "in at near across around outside inside into through throughout toward towards visiting visit leaving north south east west northern southern eastern western downtown central",
    "spot": "city town village river lake mount mountain island bay airport station street road avenue county province state region district valley capital port coast border harbour harbor beach park bridge castle museum university hospital school church hotel",
    "the": "the a an this that these those its every each no any some all",
    "own": "my his her our their your",
    "we": "i you he she we they it who",
    "foreign": "le les des du aux et que qui pour avec dans sur est une un el los las del una por con para como der das und ist nicht ein eine den dem des mit von auf für im zu zur zum il lo gli della dello che sono di dos da das em não uma het een van met voor och att som av på se su sus je nous vous ils elle ich wir sie",
    "verb": "use using used install installing run running click open import learn configure try build deploy",
}

CLASS: dict[str, str] = {word: name for name, words in reversed(_LISTS.items()) for word in words.split()}
"""Word in lower case to its class; of several the first above."""

PARTICLES = frozenset(
    "van von der den de la le du da di del della dos das do al el bin binti ibn ben ter ten zu af y st mac mc ap vander".split()
)
"""Words inside names that may be written small."""

ABBREVIATED = frozenset("mr mrs ms dr prof st mt ft jr sr rev capt sgt col gen lt sen rep hon no".split())
"""Words whose full stop does not end a sentence."""

TITLES = frozenset(
    "mr mrs ms miss mister dr prof professor madam mme mlle señor señora herr frau monsieur madame signor signora".split()
)
"""Words after which a name stands almost surely."""
