-- One row per home: between which moments and local days the data lie, and the day up to which figures count.
-- `as_of_date` is the setting, or else the latest local day of a sales line that counts or of an interaction;
-- no query reads the wall clock, so the same files give the same figures in a year.
-- `currency` is NULL as soon as lines of two currencies count; the tables of money are then held back.
with sales as (
    select
        min(s.sold_at) as first_sold_at,
        max(s.sold_at) as last_sold_at,
        min(s.sold_date) as first_sale_date,
        max(s.sold_date) as last_sale_date,
        min(s.currency) as first_currency,
        max(s.currency) as last_currency
    from core.sales as s
    where s.is_valid
),

interactions as (
    select
        min(i.occurred_at) as first_occurred_at,
        max(i.occurred_at) as last_occurred_at,
        min(i.occurred_date) as first_interaction_date,
        max(i.occurred_date) as last_interaction_date
    from core.interactions as i
),

parameters as (
    select p.as_of_date
    from core.parameters as p
),

final as (
    select
        least(s.first_sold_at, i.first_occurred_at) as data_begin_at,
        greatest(s.last_sold_at, i.last_occurred_at) as data_end_at,
        least(s.first_sale_date, i.first_interaction_date) as data_begin_date,
        greatest(s.last_sale_date, i.last_interaction_date) as data_end_date,
        s.first_sale_date,
        s.last_sale_date,
        i.first_interaction_date,
        i.last_interaction_date,
        coalesce(p.as_of_date, greatest(s.last_sale_date, i.last_interaction_date)) as as_of_date,
        p.as_of_date is not null as as_of_is_set,
        case when s.first_currency = s.last_currency then s.first_currency end as currency
    from sales as s
    cross join interactions as i
    cross join parameters as p
)

select * from final
