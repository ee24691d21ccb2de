-- Which segments of customers are there, and what should be done with them?
-- One row per segment by recency, frequency and value (RFM), the most valuable first. The shares of customers
-- and of net sales add up to 1; customers without an order are `Prospects`, guests are no customers. Means
-- are per customer of the segment. Who moved is answered by `segment_moves`, who should be won back by
-- `customers_to_win_back`.
with final as (
    select
        s.segment,
        s.customers,
        s.customer_share,
        s.orders,
        s.net_sales,
        s.net_sales_share,
        s.ordered_value,
        s.aov,
        s.mean_recency_days,
        s.recommended_action,
        s.low_n,
        s.currency,
        s.segment_rank
    from customer.rfm_segments as s
)

select * from final
order by segment_rank desc nulls last, segment
