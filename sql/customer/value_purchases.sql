-- One row per cut-off of customer.value_cutoffs and customer with a sales line up to it: money, days and occasions until
-- then.
with final as (
    select
        c.cutoff_date,
        d.customer_id,
        max(d.sold_date) as last_sale_date,
        min(d.sold_date) filter (where d.order_value is not null) as first_order_date,
        max(d.sold_date) filter (where d.order_value is not null) as last_order_date,
        count(d.days_since) as order_intervals,
        sum(d.days_since) as interval_days,
        sum(d.days_since * d.days_since) as squared_interval_days,
        sum(d.gross_sales) as gross_sales,
        sum(d.discounts) as discounts,
        sum(d.returns) as returns,
        sum(d.net_sales) as net_sales,
        sum(d.order_value) as ordered_value,
        coalesce(sum(d.net_sales) filter (where c.cutoff_date - d.sold_date < 30), 0) as net_sales_30,
        coalesce(sum(d.net_sales) filter (where c.cutoff_date - d.sold_date < 90), 0) as net_sales_90,
        coalesce(sum(d.net_sales) filter (where c.cutoff_date - d.sold_date < 180), 0) as net_sales_180,
        coalesce(sum(d.net_sales) filter (where c.cutoff_date - d.sold_date < c.horizon_days), 0)
            as past_net_sales,
        count(*) filter (where d.is_occasion) as occasions,
        min(d.sold_date) filter (where d.is_occasion) as first_occasion_date,
        max(d.sold_date) filter (where d.is_occasion) as last_occasion_date,
        sum(d.order_value) filter (where d.is_occasion and not d.is_first_occasion) as repeat_value,
        sum(d.order_value) filter (where d.is_first_occasion) as first_value
    from customer.value_cutoffs as c
    inner join customer.value_days as d on d.sold_date <= c.cutoff_date
    group by c.cutoff_date, d.customer_id
)

select * from final
