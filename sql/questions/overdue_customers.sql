-- Which regular customers are overdue?
-- One row per customer of a frequent class (customer.frequency_classes) whose next order was due before the
-- end of the data and who is not yet three usual intervals late: a reminder now comes in time.
-- `overdue_ratio` is the days since the last order in usual intervals of this customer, 2 is one interval
-- late. Those who brought most first; `may_be_contacted` is true only where the customer agreed to marketing.
with customers as (
    select
        f.customer_id,
        f.frequency_class,
        f.orders,
        f.median_days_between_orders,
        f.last_order_date,
        f.next_order_due_date,
        f.days_since_last_order,
        f.overdue_ratio
    from customer.purchase_frequency as f
    where f.is_frequent and f.overdue_ratio > 1
),

profiles as (
    select
        p.customer_id,
        p.net_sales,
        p.top_category,
        p.marketing_consent,
        p.currency
    from customer.profile as p
),

final as (
    select
        row_number() over (order by p.net_sales desc, c.customer_id) as rank,
        c.customer_id,
        c.frequency_class,
        c.median_days_between_orders,
        c.last_order_date,
        c.next_order_due_date,
        c.days_since_last_order,
        c.overdue_ratio,
        c.orders,
        p.net_sales,
        p.top_category,
        coalesce(p.marketing_consent, false) as may_be_contacted,
        p.currency
    from customers as c
    inner join profiles as p on c.customer_id = p.customer_id
)

select * from final
order by rank
