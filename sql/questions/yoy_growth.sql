-- How do sales grow from year to year?
-- One row per calendar year. `yoy` compares complete years only and is NULL for the first; for the running year
-- `ytd_yoy` compares with equally many days of the year before, and `note` says why a figure is missing.
with years as (
    select
        extract(year from y.period)::int as year,
        y.net_sales,
        y.orders,
        y.net_sales_prev,
        y.net_sales_yoy,
        y.is_complete,
        y.net_sales_prev_to_date,
        y.to_date_growth,
        y.yoy_note,
        y.currency
    from kpi.yearly as y
),

final as (
    select
        y.year,
        y.net_sales,
        y.orders,
        y.net_sales_prev as prev_net_sales,
        y.net_sales_yoy as yoy,
        y.is_complete,
        y.net_sales_prev_to_date as prev_net_sales_to_date,
        y.to_date_growth as ytd_yoy,
        case
            when y.is_complete then y.yoy_note
            when y.net_sales_prev_to_date is null then 'no_base'
            when y.to_date_growth is null then 'non_positive_base'
        end as note,
        y.currency
    from years as y
)

select * from final
order by year
