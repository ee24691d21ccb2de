-- One row per customer, with the country of the latest invoice line.
with lines as (
    select
        f.line,
        split_part(trim(f.customerid), '.', 1) as customer_id,
        trim(f.country) as country,
        trim(f.invoicedate) as updated_at
    from file as f
    where nullif(trim(f.customerid), '') is not null
),

ranked as (
    select
        l.line,
        l.customer_id,
        l.country,
        l.updated_at,
        row_number() over (partition by l.customer_id order by l.updated_at desc nulls last, l.line desc) as place
    from lines as l
)

select
    r.customer_id,
    nullif(r.country, 'Unspecified') as location,
    case r.country
        when 'United Kingdom' then 'GB'
        when 'Channel Islands' then 'GB'
        when 'EIRE' then 'IE'
        when 'Germany' then 'DE'
        when 'France' then 'FR'
        when 'Spain' then 'ES'
        when 'Netherlands' then 'NL'
        when 'Belgium' then 'BE'
        when 'Switzerland' then 'CH'
        when 'Portugal' then 'PT'
        when 'Australia' then 'AU'
        when 'Norway' then 'NO'
        when 'Italy' then 'IT'
        when 'Finland' then 'FI'
        when 'Cyprus' then 'CY'
        when 'Sweden' then 'SE'
        when 'Austria' then 'AT'
        when 'Denmark' then 'DK'
        when 'Japan' then 'JP'
        when 'Poland' then 'PL'
        when 'USA' then 'US'
        when 'Israel' then 'IL'
        when 'Hong Kong' then 'HK'
        when 'Singapore' then 'SG'
        when 'Iceland' then 'IS'
        when 'Canada' then 'CA'
        when 'Greece' then 'GR'
        when 'Malta' then 'MT'
        when 'United Arab Emirates' then 'AE'
        when 'RSA' then 'ZA'
        when 'Lebanon' then 'LB'
        when 'Lithuania' then 'LT'
        when 'Brazil' then 'BR'
        when 'Czech Republic' then 'CZ'
        when 'Bahrain' then 'BH'
        when 'Saudi Arabia' then 'SA'
    end as country_code,
    r.updated_at,
    r.line
from ranked as r
where r.place = 1
