# ruff: noqa: E501
"""Own word lists of the lexicon: brands, organisation and street words, and words that are never a name."""

NEVER = """
a about above after again against all almost also although always am among an and another any anyone anything are as at away back be
became because become been before being below between both but by came can cannot come could did do does doing done down during each
either else enough even ever every everyone everything few first for found from further get give given go goes going gone got had has have
having he hello her here hers herself hey hi him himself his how however i if im in indeed into is isn it its itself just keep kept know last least
less let like made make makes many maybe me might mine more most much must my myself name names near need neither never new next no nobody none nor not
nothing now of off often oh ok okay old on once one only onto or other others our ours ourselves out over own per perhaps please put quite
rather really said same saw say says see seem seen several shall she should since so some somebody someone something sometimes still such
sure take taken tell than thank thanks that the their theirs them themselves then there these they thing things think this those though
through thus to today together tomorrow too took toward towards two under until up upon us use used using very was we well went were
what whatever when where whether which while who whole whom whose why with within without would yes yesterday yet you
your yours yourself yourselves re ve ll don didn doesn wasn aren hasn haven couldn wouldn shouldn won ain
dear sincerely regards cheers mr mrs ms miss dr prof sir madam mister phd md jr sr esq
monday tuesday wednesday thursday friday saturday sunday january february march july september october november december
mon tue wed thu fri sat sun feb apr jun jul aug sep sept oct nov dec
hello goodbye morning evening afternoon night data code file files user users error warning info debug note todo fixme http https www com org net
json xml html css sql api url uri id pdf csv utf ascii ok null none true false nan int str bool float def class return import self print
text title subject date time email phone address city state country zip street age sex gender company value key type list set number
"""

FOREIGN = """
le la les un une des du de et est en que qui dans pour pas sur plus par avec tout faire son sa ses cette ces mais nous vous ils elle au aux ont été être avoir comme leur sans deux même aussi bien où après très entre sous chez donc
el los las una y es por para con no se su sus lo como más pero sus está este esta ser son han muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra otros ese eso ante ellos esto antes algunos qué unos yo otro
der die das und ist nicht ein eine einer eines einem einen den dem des im zu von mit auf für sich auch als an nach wie wird bei aus sind wir ihr ihre sein seine oder aber wenn nur noch werden hat haben war über zum zur bis durch ich sie er es kann mehr schon sehr diese dieser dieses gegen vom unter
il lo gli della del delle dei degli che di non per una sono con nel alla anche più ma come dal al questo questa hanno suo sua loro stato essere dopo molto quando tra così già ogni
o os as um uma do da dos das em não para com por mais foi ao ele ela seu sua isso este esta pelo pela até muito também já nos entre depois sem mesmo aos ter seus quem nas esse eles você essa
het een van en op te met voor zijn dat niet aan er om ook als bij maar uit nog wordt door worden deze naar dan werd heeft meer geen haar hebben onder tegen zich
och att det som är på för av med den till inte om ett har de så men vi kan nu var vid från
nie się na jest do że jak po co od dla tak ale przez przy już lub być może
"""

STREET_WORDS = """
street st avenue ave road rd lane ln drive dr boulevard blvd court ct place pl square sq terrace way crescent close row
highway hwy parkway pkwy alley mews circle cir trail gardens quay embankment wharf
straße strasse str allee platz weg gasse ring damm ufer chaussee rue avenue impasse allée chemin quai cours calle avenida av plaza paseo carrera camino
via viale piazza corso vicolo largo rua travessa praça estrada straat laan plein kade gracht gatan vägen väg vej gade ulica ul aleja
apartment apt suite ste floor unit flat building bldg
"""

ORG_WORDS = """
inc ltd llc llp plc corp corporation company co gmbh ag kg sa sarl srl spa bv nv oy ab pty pvt limited holdings group partners associates
bank university college institute school academy hospital clinic ministry department agency authority commission committee council court foundation
trust fund association federation union society club team party church museum library press media news times post journal gazette radio
airlines airways motors industries systems solutions technologies technology software labs laboratories networks consulting services
insurance capital ventures energy pharmaceuticals foods logistics hotel restaurant studio studios records pictures entertainment
bureau office board league association army navy police parliament senate congress assembly
universität universidad université banco banque società ayuntamiento
"""

PART_WORDS = """
new york san los santa saint st port fort lake mount north south east west upper lower great little big united kingdom states island islands
springs falls beach city bay river valley hills heights grove creek park ridge hong kong costa rica sri lanka saudi arabia
emirates zealand africa korea guinea republic las angeles francisco diego jose antonio orleans jersey hampshire mexico delhi
"""

SOFTWARE = """
app apps bot bots min max repo repos config configs param params arg args admin auth async await init enum lib libs src dist tmp usr var dir dirs
util utils todo diff sync exec eval regex str int len abs sum avg std dev prod env cpu gpu api sdk cli gui url uri uuid http https json yaml toml xml html css
sql db dbs middleware backend frontend fullstack codebase dataset datasets dataframe tokenizer embeddings chatbot chatbots prompt prompts llm llms
login logout signup username usernames password inbox emoji emojis blog blogs blogger vlog podcast podcasts website websites webpage online offline
tweet tweets hashtag hashtags meme memes selfie selfies smartphone smartphones laptop laptops wifi bluetooth playlist playlists startup startups
fintech crypto blockchain influencer influencers ecommerce freelancer freelancers coworker coworkers teammate teammates onboarding
pls plz thx lol omg idk btw imo lmao brb gonna wanna gotta kinda sorta dunno yeah yep nope hmm haha ok okay hey hiya yo bro sis dude
foo bar baz qux lorem ipsum dolor amet param kwargs numpy pandas scipy sklearn jax torch pytest pip npm git docker nginx redis linux
"""

BRANDS = """
google gmail youtube android chrome amazon aws alexa kindle apple iphone ipad macbook siri microsoft windows azure excel word powerpoint outlook
teams office linkedin github copilot facebook meta instagram whatsapp messenger twitter tiktok snapchat reddit pinterest netflix spotify hulu disney
openai chatgpt gpt claude anthropic gemini llama mistral huggingface nvidia intel amd qualcomm samsung huawei xiaomi lenovo dell sony nokia
oracle ibm sap salesforce slack zoom dropbox notion jira confluence atlassian trello asana stripe paypal visa mastercard shopify ebay alibaba
python java javascript typescript rust golang kotlin swift ruby perl scala haskell php matlab julia fortran cobol
django flask fastapi pydantic numpy pandas pytorch tensorflow keras scipy sklearn jupyter anaconda pytest react angular vue svelte nextjs node npm
express spring hibernate maven gradle docker kubernetes terraform ansible jenkins helm linux ubuntu debian fedora redhat centos unix bash git gitlab bitbucket
postgres postgresql mysql sqlite mongodb redis cassandra kafka spark hadoop airflow snowflake databricks elasticsearch kibana grafana prometheus
firebase heroku vercel netlify cloudflare nginx apache tomcat unity unreal photoshop illustrator figma canva adobe acrobat
toyota honda ford bmw audi mercedes tesla volkswagen porsche ferrari nissan hyundai volvo
nike adidas gucci prada chanel ikea walmart target costco starbucks mcdonald pepsi nestle unilever
uber lyft airbnb booking expedia doordash instacart coinbase bitcoin ethereum binance nasdaq nyse
minecraft fortnite pokemon mario zelda naruto pikachu hogwarts gryffindor slytherin marvel batman superman spiderman hulk thor avengers
wikipedia wikimedia wordpress tumblr twitch discord telegram signal skype
kpi roi crm erp saas iot ai ml nlp llm gpu cpu ram ssd usb wifi bluetooth vpn lan ssh tls ssl dns tcp udp ip tcp
covid hiv dna rna mri ct eeg ecg nasa fbi cia nato un eu uk usa us uae gdp vat gst hr pr qa ux ui it seo
english french spanish german italian portuguese chinese japanese korean russian arabic hindi turkish dutch polish swedish greek latin
american british european asian african australian canadian mexican brazilian indian pakistani irish scottish welsh
christian muslim jewish buddhist hindu catholic protestant islam islamic bible quran torah christmas easter ramadan diwali hanukkah halloween thanksgiving
"""
